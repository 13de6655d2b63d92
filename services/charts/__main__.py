from services.charts.app import main
from services.charts.settings import ChartsSettings
from shared.service import run
from shared.settings import load

settings = load(ChartsSettings)
run("charts", settings, lambda: main(settings))
