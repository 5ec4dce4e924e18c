"""One file a lab: how large it runs in each profile, what it delivers and measures, and what is said of its numbers."""

from lab_utils.labs import acgan, cvae, gan, infogan, kl, vae
from lab_utils.labs.spec import Lab

LABS: dict[str, Lab] = {module.LAB.name: module.LAB for module in (vae, kl, cvae, gan, acgan, infogan)}
