//! What docs/helper.md and the schema say is what the program does.
