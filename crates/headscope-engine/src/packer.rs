//! Packing a model's weights behind its passes.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{Builder, JoinHandle};

use crate::kernels::{Arena, Compute, Isa, Linear, lower_priority};
use crate::weights::Weight;

/// Packs layers after the second pass, on a thread of its own, or at once.
///
/// Panels make the products of a short text about a third faster, and take several passes' time to make:
/// a process that runs one text, or a pair of them, ends before they are worth it.
pub(crate) struct Packer {
    layers: Vec<Arc<Linear<Weight>>>,
    passes: AtomicU32,
    thread: OnceLock<Option<JoinHandle<()>>>,
    stop: Arc<AtomicBool>,
}

impl Packer {
    pub(crate) fn new(layers: Vec<Arc<Linear<Weight>>>) -> Packer {
        Packer { layers, passes: AtomicU32::new(0), thread: OnceLock::new(), stop: Arc::default() }
    }

    /// Packs every layer that is not packed yet, on all threads.
    pub(crate) fn pack(&self, compute: &Compute) {
        let arena = room_for(&self.layers);
        self.layers.iter().for_each(|layer| layer.make_panels(compute, &arena));
    }

    /// Counts a pass that has ended. After the second, packing begins.
    pub(crate) fn passed(&self, isa: Isa) {
        if self.passes.fetch_add(1, Ordering::Relaxed) >= 1 {
            self.thread.get_or_init(|| self.start(isa));
        }
    }

    /// Layer after layer, whenever the processor has nothing better to do. Where the system gives
    /// no thread, weights stay where they are.
    fn start(&self, isa: Isa) -> Option<JoinHandle<()>> {
        let (layers, stop) = (self.layers.clone(), Arc::clone(&self.stop));
        let work = move || {
            lower_priority();
            let (compute, arena) = (Compute::new(1, isa), room_for(&layers));
            for layer in layers.iter().take_while(|_| !stop.load(Ordering::Relaxed)) {
                layer.make_panels(&compute, &arena);
            }
        };
        Builder::new().name("headscope-pack".into()).spawn(work).ok()
    }
}

fn room_for(layers: &[Arc<Linear<Weight>>]) -> Arena {
    Arena::new(layers.iter().map(|layer| layer.bytes_of_panels()))
}

impl Drop for Packer {
    /// Waits for the layer that is just being packed, some milliseconds.
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take().flatten() {
            let _ = thread.join(); // had it panicked, its weights would stay where they are
        }
    }
}
