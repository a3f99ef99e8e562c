"""Settings as they are written down: equal settings, equal bytes."""

from __future__ import annotations

from calque.tuning.settings import TuningSettings


def test_defaults_come_back_as_they_were_written() -> None:
    """A run's recipe.yaml names every setting; peft writes down a scale of 16 and one of 16.0 in different bytes."""
    written = TuningSettings()
    assert "alpha=16.0," in repr(written)
    assert repr(TuningSettings.model_validate_json(written.model_dump_json())) == repr(written)
