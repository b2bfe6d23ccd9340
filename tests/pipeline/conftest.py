import pytest

from hyperspy_motifs import data


@pytest.fixture(scope="session")
def bilayer():
    """A twisted bilayer of whole moire cells with its motifs, its truth, and the labels as they were found."""
    image, truth = data.twisted_bilayer(twist=6.0, shape=(480, 500), random_state=4)
    with pytest.warns(UserWarning, match="continuum"):
        motifs = image.find_motifs(show_progressbar=False)
    return image, truth, motifs.labels.copy()
