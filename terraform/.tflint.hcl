# Every rule of Terraform itself; the examples are fragments to be quoted, and have no versions of their own.
plugin "terraform" {
  enabled = true
  preset  = "all"
}
