from ._atom_patches import AtomPatches as AtomPatches
from ._atom_patches import LazyAtomPatches as LazyAtomPatches
from ._atomic_image import AtomicImage as AtomicImage
from ._atomic_image import LazyAtomicImage as LazyAtomicImage
from ._panel import MotifPanel as MotifPanel
from ._zernike_features import LazyZernikeFeatures as LazyZernikeFeatures
from ._zernike_features import ZernikeFeatures as ZernikeFeatures
