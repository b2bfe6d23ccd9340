"""Angles in words."""

from __future__ import annotations


def signed_degrees(angle: float, digits: int = 0) -> str:
    """An angle in degrees as text: above -180 up to 180, with so many decimals, and zero without a sign.

    Parameters
    ----------
    angle : float
    digits : int, optional

    Returns
    -------
    str

    Examples
    --------
    >>> signed_degrees(359.9, 1), signed_degrees(-0.02, 1), signed_degrees(-180.0), signed_degrees(359.7)
    ('-0.1', '0.0', '180', '0')
    """
    wrapped = 180 - (180 - round(angle, digits)) % 360
    # Rounded again, as the difference is not exact; the sum takes the sign from zero.
    return f"{round(wrapped, digits) + 0.0:.{digits}f}"
