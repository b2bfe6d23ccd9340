"""Sites of an image, occupied or empty: what repeats predicts where columns stand, and the image shows whether they do."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
