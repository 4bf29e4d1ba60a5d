"""Reports, by slice, how a shadow candidate's answers differ from the champion's."""
