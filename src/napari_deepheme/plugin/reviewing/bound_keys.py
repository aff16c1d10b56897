"""Keys that napari gives to the review, and gets back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.layers import Labels

from napari_deepheme.plugin.layers import METADATA_KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from napari.components import ViewerModel

    from napari_deepheme.plugin.session import Session


class BoundKeys:
    """Binds keys to the viewer, and to the layer that is active if it is the slide's.

    Napari asks the active layer first, and its layers know keys such as 1 and 2. One
    that the user draws on keeps its own.

    Parameters
    ----------
    viewer : ViewerModel
        The viewer.
    session : Session
        Tells which layer is the slide.
    act : callable
        Called with the name of what a key asks for.
    """

    def __init__(
        self, viewer: ViewerModel, session: Session, act: Callable[[str], None]
    ) -> None:
        self._viewer = viewer
        self._session = session
        self._act = act
        self._keys: dict[str, str] = {}
        self._bound: list[tuple[Any, str]] = []
        viewer.layers.selection.events.active.connect(self._on_active)

    def bind(self, keys: Mapping[str, str]) -> None:
        """Bind keys, by what they ask for, and give all others back."""
        self._keys = {name: key for name, key in keys.items() if key}
        self._on_active()

    def release(self) -> None:
        """Give all keys back, for good."""
        self._viewer.layers.selection.events.active.disconnect(self._on_active)
        self.bind({})

    def _on_active(self, _: Any = None) -> None:
        for provider, key in self._bound:
            provider.bind_key(key, None)
        self._bound.clear()
        for provider in self._providers():
            for name, key in self._keys.items():
                provider.bind_key(key, self._action(name), overwrite=True)
                self._bound.append((provider, key))

    def _providers(self) -> list[Any]:
        active = self._viewer.layers.selection.active
        if active is None:
            return [self._viewer]
        is_own = METADATA_KEY in active.metadata or active.name == self._session.slide
        is_painted = isinstance(active, Labels)
        return [self._viewer, active] if is_own and not is_painted else [self._viewer]

    def _action(self, name: str) -> Callable[[Any], None]:
        def deepheme_action(_: Any) -> None:
            # A function: napari asks what is bound for its `__name__`.
            self._act(name)

        return deepheme_action
