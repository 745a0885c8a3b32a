//! Numbers that numpy reads in place.

use headscope::Tensor;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

/// An array of 32-bit floats: `numpy.asarray` makes a read-only view of it, without a copy.
#[pyclass(frozen, module = "headscope._headscope")]
pub struct Array(pub Tensor);

#[pymethods]
impl Array {
    /// The size of each axis.
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.0.shape())
    }

    /// Where the numbers lie: <https://numpy.org/doc/stable/reference/arrays.interface.html>. The view that
    /// numpy makes keeps this object, and with it the numbers.
    #[getter]
    fn __array_interface__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let interface = PyDict::new(py);
        let read_only = true;
        interface.set_item("version", 3)?;
        interface.set_item("typestr", if cfg!(target_endian = "little") { "<f4" } else { ">f4" })?;
        interface.set_item("shape", self.shape(py)?)?;
        interface.set_item("data", (self.0.values().as_ptr() as usize, read_only))?;
        Ok(interface)
    }
}
