"""Tries whether torch can compute on a GPU: ``python -m lab_utils.gpu`` prints in one line why not, or nothing."""

import warnings


def trouble() -> str:
    """Why torch cannot compute on the GPU, in one line; empty if it can."""
    with warnings.catch_warnings(record=True) as said:  # such as that the driver is too old, over several lines
        warnings.simplefilter("always")
        import torch  # its import may warn already

        try:
            ones = torch.ones(8, 8, device="cuda")
            (ones @ ones).sum().item()
            return ""
        except (RuntimeError, AssertionError, OSError) as error:  # AssertionError: torch is built without CUDA
            why = [*(one.message for one in said), f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"]
    built = f"built for CUDA {torch.version.cuda}" if torch.version.cuda else "built without CUDA"
    reasons = "; ".join([built, *(" ".join(str(one).split()) for one in why)])
    return f"torch {torch.__version__} cannot use it ({reasons})"


if __name__ == "__main__":
    print(trouble())
