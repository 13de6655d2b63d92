from services.exporter.app import ExporterSettings, main
from shared.service import run
from shared.settings import load

settings = load(ExporterSettings)
run("exporter", settings, lambda: main(settings))
