"""Makes `model-1.pt` and `expected.safetensors` here: run it where denoising-diffusion-pytorch is.

    python tests/session/checkpoints/make_lucidrains.py

The first is what the library's Trainer writes (version 2.3.4, random weights, the averaged ones
others than the trained), the second what its own `model_predictions` makes of `x` at the steps `t`
for each objective. The tests need neither the library nor this script.
"""

from __future__ import annotations

from pathlib import Path

import torch
from denoising_diffusion_pytorch.denoising_diffusion_pytorch import GaussianDiffusion, Unet
from ema_pytorch import EMA
from safetensors.torch import save_file

HERE = Path(__file__).parent
STEPS = (0, 12, 50, 80, 95)
SIZE, T = 8, 100


def main() -> None:
    """Write both files."""
    torch.manual_seed(0)
    network = Unet(4, dim_mults=(1, 2), attn_heads=2, attn_dim_head=4)
    with torch.no_grad():
        for value in network.parameters():
            value += 0.05 * torch.randn_like(value)
    diffusion = GaussianDiffusion(network, image_size=SIZE, timesteps=T).eval()
    average = EMA(diffusion, beta=0.995, update_every=10)
    with torch.no_grad():
        for value in average.ema_model.model.parameters():
            value *= 1.1
    kept = {
        "step": 1000,
        "model": diffusion.state_dict(),
        "opt": torch.optim.Adam(network.parameters()).state_dict(),
        "ema": average.state_dict(),
        "scaler": None,
        "version": "2.3.4",
    }
    torch.save(kept, HERE / "model-1.pt")
    x = torch.randn(2, 3, SIZE, SIZE)
    found = {"x": x, "t": torch.tensor(STEPS)}
    for objective in ("pred_noise", "pred_x0", "pred_v"):
        for name, weights in (("trained", network), ("averaged", average.ema_model.model)):
            whole = GaussianDiffusion(
                weights, image_size=SIZE, timesteps=T, objective=objective
            ).eval()
            found[f"{objective}.loss_weight"] = whole.loss_weight
            with torch.no_grad():
                rows = [whole.model_predictions(x, torch.full((2,), t)).pred_x_start for t in STEPS]
            found[f"{objective}.{name}"] = torch.stack(rows)  # [5, 2, 3, 8, 8]
    save_file(found, HERE / "expected.safetensors")


if __name__ == "__main__":
    main()
