"""The crash tests' stage: web as a real process, with a real database."""

from crash.conftest import _new_stage, _prepared  # noqa: F401 - pytest finds fixtures here
