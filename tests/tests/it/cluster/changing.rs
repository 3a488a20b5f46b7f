//! Slots that move, and nodes that go.
