from services.simulator.app import main
from services.simulator.settings import SimulatorSettings
from shared.service import run
from shared.settings import load

settings = load(SimulatorSettings)
run("simulator", settings, lambda: main(settings))
