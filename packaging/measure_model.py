"""Measure the bundled network and write its model card: `python packaging/measure_model.py`.

Everything is drawn by the program's own runs. The closed forms know the emoji that the network was
trained on; all are measured against those that were held out. Writes
resources/models/emoji-32.md and the picture that the README shows.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from diffusion_gui.engine.denoisers import CLOSED_FORMS
from diffusion_gui.engine.denoisers.unet import encode
from diffusion_gui.engine.device import describe
from diffusion_gui.engine.experiment import Experiment, Guidance, Sampling
from diffusion_gui.engine.images import Pixels, contact_sheet, to_float
from diffusion_gui.engine.models import Inputs
from diffusion_gui.engine.recorder import to_pixels
from diffusion_gui.engine.reverse import run
from diffusion_gui.engine.sample_quality import (
    COLOURS,
    dominant_colour,
    energy_distance,
    nearest,
    sliced_w2,
)
from diffusion_gui.session import library
from diffusion_gui.session.model_files import read_model
from diffusion_gui.session.model_header import Header, read_header
from diffusion_gui.session.networks import BUNDLED, NetworkStore
from diffusion_gui.session.training_sets import emoji_places

ROOT = Path(__file__).resolve().parents[1]
MODEL = ROOT / "resources" / "models" / BUNDLED
CARD = MODEL.with_suffix(".md")
PICTURE = ROOT / "resources" / "screenshots" / "neural.png"
SAMPLING = Sampling(sampler="dpmpp_2m", steps=20, size=32)
THINGS = ("heart", "circle", "square", "book", "car")
SHOWN = ("red heart", "blue circle", "smiling face", "evergreen tree", "green square", "cat face",
         "orange heart", "rocket")  # fmt: skip
LEVELS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
EACH = 8
"""Pictures per caption."""

Drawer = Callable[..., Pixels]


def drawer() -> Drawer:
    """Return draw(model, count, label, scale, seed) -> uint8 [count, 32, 32, 3]."""
    places, network = emoji_places(held_out=False), NetworkStore().find(None)
    pixels = library.emoji(32)[places]

    def draw(
        model: str = "neural", count: int = EACH, label: str = "", scale: float = 1.0, seed: int = 0
    ) -> Pixels:
        guidance = Guidance("cfg", (("scale", scale),)) if scale != 1.0 else Guidance()
        sampling = replace(SAMPLING, model=model, count=count, label=label, guidance=guidance)
        experiment = Experiment(sampling=sampling, seed=seed)
        *_, last = run(experiment, Inputs(pixels, network=network))
        return to_pixels(last.x_t)

    return draw


def distances(draw: Drawer, count: int) -> list[str]:
    """Return the table of distances to the held-out emoji."""
    emoji = to_float(library.emoji(32))
    known, unseen = emoji[emoji_places(held_out=False)], emoji[emoji_places(held_out=True)]
    rows = [
        "| samples of | energy distance | sliced W2 | d1 / d2, median | copies (d1 / d2 < 1/3) |",
        "|---|---|---|---|---|",
    ]
    models = ["neural", *(name for name in CLOSED_FORMS if name in ("exact", "gaussian", "local"))]
    sets = {name.capitalize(): to_float(draw(name, count)) for name in models}
    for name, samples in {**sets, "the training emoji": known}.items():
        energy, w2 = energy_distance(samples, unseen), sliced_w2(samples, unseen)
        ratio = "-, -"
        if samples is not known:
            near = nearest(samples, known)
            ratio = f"{np.median(near.ratio):.2f}, {near.copies:.0%}"
        rows.append(f"| {name} | {energy:.4f} | {w2:.4f} | {' | '.join(ratio.split(', '))} |")
    return rows


def colours(draw: Drawer) -> list[str]:
    """Return the table of how often a caption's colour is the samples' dominant colour."""
    captions = [f"{colour} {thing}" for colour in COLOURS for thing in THINGS]
    there = set(library.captions())
    rows = ["| guidance | all 40 captions | captions of the set | captions of no emoji |",
            "|---|---|---|---|"]  # fmt: skip
    for scale in (1.0, 2.0, 4.0):
        hits = {
            caption: np.mean(
                [
                    dominant_colour(one) == caption.split()[0]
                    for one in draw(label=caption, scale=scale)
                ]
            )
            for caption in captions
        }
        old = [hit for caption, hit in hits.items() if caption in there]
        new = [hit for caption, hit in hits.items() if caption not in there]
        every = np.mean(list(hits.values()))
        rows.append(f"| {scale:g} | {every:.0%} | {np.mean(old):.0%} | {np.mean(new):.0%} |")
        print(rows[-1], flush=True)
    return rows


@torch.no_grad()
def errors() -> list[str]:
    """Return the table of x0_hat's error at fixed levels, on seen and unseen emoji."""
    network, header = read_model(MODEL)
    from diffusion_gui.engine.denoisers.neural import neural

    names, emoji = library.captions(), to_float(library.emoji(32))
    rows = [
        "| sigma | training emoji | held-out emoji | held-out, no caption |",
        "|---|---|---|---|",
    ]
    generator = torch.Generator().manual_seed(0)
    sets = {}
    for held_out in (False, True):
        places = emoji_places(held_out)[: len(emoji_places(True))]
        x0 = torch.from_numpy(np.ascontiguousarray(emoji[places])).permute(0, 3, 1, 2).contiguous()
        words = encode([names[place] for place in places], header.network.words)
        sets[held_out] = x0, words, torch.randn(x0.shape, generator=generator)
    for sigma in LEVELS:
        found = []
        for held_out, told in ((False, True), (True, True), (True, False)):
            x0, words, noise = sets[held_out]
            total = 0.0
            for place in range(len(x0)):
                row = words[place : place + 1] if told else None
                one = slice(place, place + 1)
                D = neural(network, torch.device("cpu"), words=row)
                total += float(
                    (D(x0[one] + sigma * noise[one], 1.0, sigma) - x0[one]).square().mean()
                )
            found.append((total / len(x0)) ** 0.5)
        rows.append(f"| {sigma:g} | " + " | ".join(f"{value:.3f}" for value in found) + " |")
    return rows


def picture(draw: Drawer, scale: float) -> None:
    """Write samples of eight captions, one row each."""
    rows = [draw(label=caption, scale=scale, count=EACH) for caption in SHOWN]
    sheet = contact_sheet(np.concatenate(rows), EACH, gap=2, scale=2)
    Image.fromarray(sheet).save(PICTURE, optimize=True)


def losses(log: Path | None) -> list[str]:
    """Return the table of the mean loss over stretches of the training, from its log."""
    if log is None or not log.exists():
        return []
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    rows = ["| steps | mean loss |", "|---|---|"]
    marks = [0, 100, 300, 1000, 2000, 4000, 6000, 8000, 10000, 15000, 20000, 30000]
    for low, high in pairwise(marks):
        part = [entry["loss"] for entry in entries if low < entry["step"] <= high]
        if part:
            rows.append(f"| {low + 1:,} to {high:,} | {np.mean(part):.4f} |")
    return rows


def card(header: Header, hours: float, log: Path | None, count: int) -> str:
    """Return the model card."""
    draw, options = drawer(), header.training
    begun = time.perf_counter()
    parts = {
        "distances": distances(draw, count), "colours": colours(draw), "errors": errors(),
    }  # fmt: skip
    picture(draw, 2.0)
    shape = header.network
    numbers = sum(value.numel() for value in read_model(MODEL)[0].parameters())
    return "\n".join([
        "# The bundled network: emoji, 32 x 32, told words",
        "",
        f"`{BUNDLED}`, {MODEL.stat().st_size / 1e6:.1f} MB, float16; {numbers:,} parameters."
        " U-Net with EDM's preconditioning (`diffusion_gui/engine/denoisers/unet.py`), trained by"
        " `diffusion_gui/engine/training/`.",
        "",
        "## Training",
        f"- Data: {len(emoji_places(False)):,} of the {len(library.captions()):,} bundled emoji"
        f" with their CLDR names, {len(shape.words):,} words; every tenth is held out.",
        f"- {header.step:,} steps of {options.batch}, {hours:.1f} hours of processor time on one"
        " core of a shared Xeon with AMX, bfloat16 products; no GPU was at hand.",
        f"- Learning rate {options.learning_rate:g}, warm-up {options.warmup}, EMA {options.ema:g},"
        f" ln sigma ~ N({options.p_mean:g}, {options.p_std:g}^2), EDM's weights, captions withheld"
        f" {options.withheld:.0%}, words {options.word_withheld:.0%}, shift {options.shift} px.",
        "- The first 4,896 steps saw ln sigma ~ N(-0.8, 1.3^2): captions hardly decided the shape."
        " With more of the levels above sigma 1 they did within 3,000 steps.",
        f"- Made anew by: `diffusion-cli train emoji -o emoji-32.safetensors --steps {header.step}"
        " --half`, with the levels of the second part from the start.",
        "",
        *losses(log),
        "",
        "## Quality",
        f"{count} samples each: {SAMPLING.sampler}, {SAMPLING.steps} steps, cosine, seed 0;"
        f" against the {len(emoji_places(True))} held-out emoji. d1 / d2: distance to the nearest"
        " training emoji over that to the second.",
        "",
        *parts["distances"],
        "",
        f"Share of samples whose dominant colour is the caption's, {EACH} samples of"
        f" {len(COLOURS) * len(THINGS)} captions ({', '.join(COLOURS)} x {', '.join(THINGS)}):",
        "",
        *parts["colours"],
        "",
        "Root mean square error of x0_hat at a = 1, in units of [-1, 1]:",
        "",
        *parts["errors"],
        "",
        "## Limits",
        "- It knows the words of emoji names and no grammar: a caption is a bag of words.",
        "- A smiling face is a yellow face that does not always smile.",
        "- Most words name one emoji only; those it recalls more than it imagines.",
        "- Faces, hearts, shapes and plain things are recognisable; letters, flags, clocks and fine"
        " detail often are not.",
        f"- Measured in {time.perf_counter() - begun:.0f} s on {describe(torch.device('cpu'))}.",
        "",
    ])  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, required=True, help="processor time of the training")
    parser.add_argument("--log", type=Path, help="its losses, a line of JSON for every 50 steps")
    parser.add_argument("--count", type=int, default=256, help="samples of each model")
    given = parser.parse_args()
    CARD.write_text(card(read_header(MODEL), given.hours, given.log, given.count), encoding="utf-8")
    print(f"wrote {CARD.name} and {PICTURE.name}")
