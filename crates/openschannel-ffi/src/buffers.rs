//! SecBufferDesc: read whole before anything is written, since a caller may pass the same one for input and output.
