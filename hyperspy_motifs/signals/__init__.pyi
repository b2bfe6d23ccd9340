from ._atom_patches import AtomPatches as AtomPatches
from ._atomic_image import AtomicImage as AtomicImage
from ._lazy_atom_patches import LazyAtomPatches as LazyAtomPatches
from ._lazy_atomic_image import LazyAtomicImage as LazyAtomicImage
from ._lazy_zernike_features import LazyZernikeFeatures as LazyZernikeFeatures
from ._panel import MotifPanel as MotifPanel
from ._zernike_features import ZernikeFeatures as ZernikeFeatures
