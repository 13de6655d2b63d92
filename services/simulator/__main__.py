from services.simulator.app import SimulatorSettings, main
from shared.service import run
from shared.settings import load

settings = load(SimulatorSettings)
run("simulator", settings, lambda: main(settings))
