"""What a run means for each sync: the mapping, what was before, and one verdict. No I/O here."""
