use lockstep::base::memory::Allocator;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

fn main() {}
