from services.choice.app import main
from services.choice.settings import ChoiceSettings
from shared.service import run
from shared.settings import load

settings = load(ChoiceSettings)
run("choice", settings, lambda: main(settings))
