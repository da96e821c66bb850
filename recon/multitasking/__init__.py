"""MR Multitasking of one slice: arrays, settings and a callable network in; factors, frames and T1 map out."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
