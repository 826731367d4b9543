//! The order of burn's work on a GPU and that of another stream.
//!
//! burn does not show its streams. So the whole context of the GPU waits for the other stream, and that stream for the context.
//! Drivers since CUDA 12.5 do this without the host. With CUDA 12.0 to 12.4, and if the driver refuses, the host waits.

use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::Arc;

use cudarc::driver::sys::{self, CUcontext, CUevent, CUresult};
use cudarc::driver::{CudaContext, CudaEvent, CudaStream, DriverError};

pub(super) struct Order {
    context: Arc<CudaContext>,
    events: Option<Events>,
}

/// Of a driver since CUDA 12.5.
struct Events {
    /// `cuCtxRecordEvent`
    record: ContextEvent,
    /// `cuCtxWaitEvent`
    wait: ContextEvent,
    burn: CudaEvent,
    stream: CudaEvent,
}

type ContextEvent = unsafe extern "C" fn(CUcontext, CUevent) -> CUresult;

impl Order {
    pub(super) fn new(context: Arc<CudaContext>) -> Option<Self> {
        let functions = [c"cuCtxRecordEvent", c"cuCtxWaitEvent"].map(context_event);
        let events = match functions {
            [Some(record), Some(wait)] => Some(Events {
                record,
                wait,
                burn: context.new_event(None).ok()?,
                stream: context.new_event(None).ok()?,
            }),
            _ => None,
        };
        Some(Self { context, events })
    }

    /// Lets `stream` wait for all that burn has given to the GPU.
    pub(super) fn after_burn(&self, stream: &CudaStream) -> Result<(), DriverError> {
        self.context.bind_to_thread()?;
        let Some(events) = &self.events else {
            return self.context.synchronize();
        };
        let recorded = self.call(events.record, &events.burn);
        let waits = recorded.and_then(|()| stream.wait(&events.burn));
        waits.or_else(|_| self.context.synchronize())
    }

    /// Lets all that burn will give to the GPU wait for `stream`.
    pub(super) fn before_burn(&self, stream: &CudaStream) -> Result<(), DriverError> {
        let Some(events) = &self.events else {
            return stream.synchronize();
        };
        let recorded = events.stream.record(stream);
        let waits = recorded.and_then(|()| self.call(events.wait, &events.stream));
        waits.or_else(|_| stream.synchronize())
    }

    fn call(&self, function: ContextEvent, event: &CudaEvent) -> Result<(), DriverError> {
        // SAFETY: the context and the event live, and the event is of this context.
        unsafe { function(self.context.cu_ctx(), event.cu_event()) }.result()
    }
}

/// A function of the driver that takes a context and an event, if the driver has it.
fn context_event(name: &std::ffi::CStr) -> Option<ContextEvent> {
    const CUDA_12_5: c_int = 12_050;
    let mut function: *mut c_void = ptr::null_mut();
    // SAFETY: the name ends with 0, and the driver writes one pointer.
    let status = unsafe {
        sys::cuGetProcAddress_v2(
            name.as_ptr(),
            &raw mut function,
            CUDA_12_5,
            0,
            ptr::null_mut(),
        )
    };
    // SAFETY: the driver's functions of these names have this type since CUDA 12.5.
    (status.result().is_ok() && !function.is_null())
        .then(|| unsafe { std::mem::transmute::<*mut c_void, ContextEvent>(function) })
}
