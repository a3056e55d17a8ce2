"""What a life that mediates loads besides: importing this has done it."""

import serbero.reasoning.backends  # noqa: F401 - only to be there
from serbero.mediation.policy import prepare

prepare()
