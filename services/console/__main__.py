from services.console.app import ConsoleSettings, main
from shared.service import run
from shared.settings import load

settings = load(ConsoleSettings)
run("console", settings, lambda: main(settings))
