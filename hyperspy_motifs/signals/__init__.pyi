from ._atomic_image import AtomicImage as AtomicImage
from ._atomic_image import LazyAtomicImage as LazyAtomicImage
from ._panel import MotifPanel as MotifPanel
from ._patches_and_analysis import AtomPatches as AtomPatches
from ._patches_and_analysis import LazyAtomPatches as LazyAtomPatches
from ._zernike_features import LazyZernikeFeatures as LazyZernikeFeatures
from ._zernike_features import ZernikeFeatures as ZernikeFeatures
