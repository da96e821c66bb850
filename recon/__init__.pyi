from . import multitasking as multitasking, super_resolution as super_resolution
from .errors import DataError as DataError
from .spatial.admm import AdmmSettings as AdmmSettings, admm as admm, sparsifier as sparsifier
from .spatial.back_projection import (
    SubspaceProblem as SubspaceProblem,
    back_project as back_project,
    back_project_and_adjoint as back_project_and_adjoint,
    encoding as encoding,
    normal_operator as normal_operator,
)
