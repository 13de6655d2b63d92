from __future__ import annotations

import logging

import structlog
from hypothesis import settings

# Compiled code makes first examples slow; a deadline would test the machine, not the code.
settings.register_profile("truelike", deadline=None)
settings.load_profile("truelike")
structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
