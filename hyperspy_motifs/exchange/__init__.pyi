from ._given_atoms import GivenAtoms as GivenAtoms
from ._given_atoms import ImageAxes as ImageAxes
from ._read_atoms import read_atoms as read_atoms
from ._structures import to_ase as to_ase
from ._tables import to_dataframe as to_dataframe
