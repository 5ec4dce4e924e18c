"""A witness that shares nothing with this course's networks: does a detector of faces find one in an image?"""

import functools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from PIL import Image
from skimage.data import lbp_frontal_face_cascade_filename
from skimage.feature import Cascade
from torch import Tensor
from tqdm import tqdm

from lab_utils.clock import spend
from lab_utils.metrics.fidelity import as_bytes
from lab_utils.watch import watched

ENLARGED = 192  # pixels of a side at which the detector looks: three times 64
MARGIN = 24  # pixels by which the edge is repeated, for a face may fill the image


@spend("metrics")
def faces_found(images: Tensor, n: int = 500) -> Tensor:
    """1 where a frontal face is found in an image, else 0, for the first ``n`` of N×3×S×S, uint8 or float in [0, 1].

    A cascade of local binary patterns (Liao et al. 2007; Viola and Jones 2001) looks at images enlarged to 192 pixels
    by cubic interpolation, their edges repeated by 24, for faces of 50 to 240 pixels, in steps of a factor of 1.1. It
    learned from photographs and says nothing of drawings. It looks at grey values and at coarse patterns: it tells a
    face from none, not a sharp one from a soft one.
    """
    shown = as_bytes(images[:n]).permute(0, 2, 3, 1).cpu().numpy()
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:  # the search itself holds no lock of Python's
        found = pool.map(has_face, shown)
        bar = tqdm(found, "looking for faces", len(shown), unit="image", disable=not watched(), leave=False)
        return torch.tensor([*bar], dtype=torch.float32)


def has_face(image: np.ndarray) -> bool:
    """Whether the detector finds a face in one image, S×S×3, uint8."""
    large = Image.fromarray(image).resize((ENLARGED, ENLARGED), Image.Resampling.BICUBIC)
    framed = np.pad(np.asarray(large), ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)), mode="edge")
    sizes = {"scale_factor": 1.1, "step_ratio": 1, "min_size": (50, 50), "max_size": (240, 240)}
    return bool(detector().detect_multi_scale(framed, **sizes))


@functools.cache
def detector() -> Cascade:
    """The cascade for frontal faces that OpenCV trained and scikit-image ships."""
    return Cascade(lbp_frontal_face_cascade_filename())
