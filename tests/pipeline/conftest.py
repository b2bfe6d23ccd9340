import pytest

from hyperspy_motifs import data


@pytest.fixture(scope="session")
def bilayer():
    """Motifs of a twisted bilayer of whole moire cells, its truth, and the labels as they were found.

    They are one object, so that its cells and levels are computed once.
    """
    image, truth = data.twisted_bilayer(twist=6.0, shape=(480, 500), random_state=4)
    with pytest.warns(UserWarning, match="continuum"):
        motifs = image.find_motifs(show_progressbar=False)
    return motifs, truth, motifs.labels.copy()
