from services.predictor.app import PredictorSettings, main
from shared.service import run
from shared.settings import load

settings = load(PredictorSettings)
run("predictor", settings, lambda: main(settings))
