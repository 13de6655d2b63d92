from services.predictor.app import main
from services.predictor.settings import PredictorSettings
from shared.service import run
from shared.settings import load

settings = load(PredictorSettings)
run("predictor", settings, lambda: main(settings))
