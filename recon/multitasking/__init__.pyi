from .quantitative import map_t1 as map_t1
from .reconstruction import (
    EncodedScan as EncodedScan,
    encode as encode,
    prewhitening_of as prewhitening_of,
    reconstruct as reconstruct,
    solve as solve,
)
from .result import Frames as Frames, Result as Result
from .scan import (
    Geometry as Geometry,
    NoiseScan as NoiseScan,
    RadialScan as RadialScan,
    Readouts as Readouts,
    Sequence as Sequence,
    Signal as Signal,
    Timeline as Timeline,
)
from .selection import Cells as Cells
from .settings import Settings as Settings
from .spatial_factor import Network as Network, SpatialFactor as SpatialFactor, estimate as estimate
