from ._descriptions import Descriptions as Descriptions
from ._descriptions import MotifDescription as MotifDescription
from ._facts import Place as Place
from ._facts import Shell as Shell
from ._facts import compare_brightness as compare_brightness
from ._facts import describe_place as describe_place
from ._facts import find_shell as find_shell
from ._facts import separate as separate
