//! Reading XML by namespace, strictly and within bounds.
