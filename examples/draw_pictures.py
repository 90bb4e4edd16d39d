"""
Draw the pictures the examples search: fruit, scenes, furniture, flags, shapes and things met out of doors.

    python examples/draw_pictures.py [folder]
"""

from __future__ import annotations

import sys
from pathlib import Path

from pictures import fruit, home, scenes, things
from pictures.sheet import Drawing, draw

PICTURES: dict[str, Drawing] = {**fruit.PICTURES, **scenes.PICTURES, **home.PICTURES, **things.PICTURES}


def draw_all(folder: Path) -> list[Path]:
    """Write every picture into `folder` as `<name>.png`, made if missing, and return the paths."""
    return [save(drawing, folder / f"{name}.png") for name, drawing in PICTURES.items()]


def save(drawing: Drawing, path: Path) -> Path:
    """Write one picture and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draw(drawing).save(path)
    return path


if __name__ == "__main__":
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "demo-output/pictures")
    print(f"drawing {len(PICTURES)} pictures ...", flush=True)
    print(f"{len(draw_all(target))} pictures in {target}")
