//! Behaviour of the whole, against real servers. One binary, one module a subject.

mod harness;
