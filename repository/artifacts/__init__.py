"""One kind of artifact a module: would the Triton that is to serve it load it, under this configuration?"""
