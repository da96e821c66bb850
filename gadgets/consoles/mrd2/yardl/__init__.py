"""The binary format of Microsoft's yardl, in which MRD v2 streams are written: values, schemas, whole streams."""
