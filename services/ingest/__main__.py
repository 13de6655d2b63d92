from services.ingest.app import main
from services.ingest.settings import IngestSettings
from shared.service import run
from shared.settings import load

settings = load(IngestSettings)
run("ingest", settings, lambda: main(settings))
