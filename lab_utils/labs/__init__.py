"""One file a lab: how large it runs in each profile, what it delivers and measures, and what is said of its numbers."""

from lab_utils.files import read_json
from lab_utils.labs import acgan, cvae, gan, infogan, kl, vae
from lab_utils.labs.spec import MEASURED, Lab, with_tolerances

_measured = read_json(MEASURED) if MEASURED.is_file() else {}
LABS: dict[str, Lab] = {
    module.LAB.name: with_tolerances(module.LAB, _measured) for module in (vae, kl, cvae, gan, acgan, infogan)
}
