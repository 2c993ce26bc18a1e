"""The gateway protocol: a frontend's side of the talk with the build server. It knows no Cirfile."""
