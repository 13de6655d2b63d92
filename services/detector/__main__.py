from services.detector.app import main
from services.detector.settings import DetectorSettings
from shared.service import run
from shared.settings import load

settings = load(DetectorSettings)
run("detector", settings, lambda: main(settings))
