from ._descriptions import Descriptions as Descriptions
from ._descriptions import MotifDescription as MotifDescription
from ._descriptions import Place as Place
from ._descriptions import Shell as Shell
from ._descriptions import compare_brightness as compare_brightness
from ._descriptions import describe_place as describe_place
from ._descriptions import find_shell as find_shell
from ._descriptions import separate as separate
