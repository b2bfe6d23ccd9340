"""From an image to its motifs: each step takes a signal or a stored record, calls the numerics and returns what it found.

atoms      ``AtomTable``, ``find_atoms``, ``given_atoms``, ``stored_atoms``, ``keep_atoms``
discs      ``get_atom_patches``, ``patches_of_record``, ``means_of_record``, ``get_zernike_map``, ``reconstruct``
motifs     ``find_motifs``, ``split_motif``, ``features_at``, ``estimate``, ``labels_by_seed``
models     ``motif_model_of``, ``predict``
sites      ``sites_of_record``, ``find_outliers``, ``find_defects``
names      ``identify``, ``stored_identification``, ``place_in_image``
cells      ``find_cells``, ``cells_of_record``, ``cell_patches``, ``cell_groups``
images     ``ImageQuality``, ``clean_image``, ``frame``, ``level_rows``

Signal classes (:mod:`~hyperspy_motifs.signals`) and results (:mod:`~hyperspy_motifs.motifs`) call these functions.
What is computed from arrays alone is in the packages below, such as :mod:`~hyperspy_motifs.clustering`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
