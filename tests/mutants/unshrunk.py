"""A pytest plugin: a property that fails is not shown in its simplest form, which takes long and nobody reads here."""

from __future__ import annotations

from hypothesis import Phase, settings

settings.register_profile("unshrunk", phases=[Phase.explicit, Phase.generate], database=None)
settings.load_profile("unshrunk")
