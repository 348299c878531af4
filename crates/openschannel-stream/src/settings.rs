//! What connectors and acceptors, and their builders, have in common.

macro_rules! common_settings {
    ($builder:ident of $credentials_builder:ident, $built:ident of $credentials:ident) => {
        impl $built {
            /// Options for every context made from now on.
            #[must_use]
            pub fn with_options(mut self, options: ContextOptions) -> Self {
                self.options = options;
                self
            }

            /// The policy of every stream made from now on.
            #[must_use]
            pub fn with_truncation(mut self, truncation: Truncation) -> Self {
                self.truncation = truncation;
                self
            }

            /// The credentials.
            pub fn credentials(&self) -> &$credentials {
                &self.credentials
            }
        }

        impl From<$credentials> for $built {
            fn from(credentials: $credentials) -> Self {
                Self { credentials, options: ContextOptions::default(), truncation: Truncation::default() }
            }
        }

        impl From<$credentials_builder> for $builder {
            fn from(credentials: $credentials_builder) -> Self {
                Self { credentials, options: ContextOptions::default(), truncation: Truncation::default() }
            }
        }

        impl $builder {
            /// Protocol versions to allow. Default: TLS 1.2 and TLS 1.3.
            #[must_use]
            pub fn protocols(mut self, protocols: Protocols) -> Self {
                self.credentials = self.credentials.protocols(protocols);
                self
            }

            /// ALPN identifiers (RFC 7301), the preferred one first. Default: none.
            #[must_use]
            pub fn alpn(mut self, protocols: Vec<Vec<u8>>) -> Self {
                self.credentials = self.credentials.alpn(protocols);
                self
            }

            /// Whom to trust. Default: whom the system trusts.
            #[must_use]
            pub fn trust(mut self, trust: Trust) -> Self {
                self.credentials = self.credentials.trust(trust);
                self
            }

            /// Who validates the peer's certificate. Default: [`Validation::Automatic`].
            #[must_use]
            pub fn validation(mut self, validation: Validation) -> Self {
                self.credentials = self.credentials.validation(validation);
                self
            }

            /// Cipher suites to allow, the preferred one first. Default: all.
            #[must_use]
            pub fn cipher_suites(mut self, suites: &[CipherSuite]) -> Self {
                self.credentials = self.credentials.cipher_suites(suites);
                self
            }

            /// Key exchange groups to allow, the preferred one first. Default: [`NamedGroup::DEFAULT`].
            #[must_use]
            pub fn groups(mut self, groups: &[NamedGroup]) -> Self {
                self.credentials = self.credentials.groups(groups);
                self
            }

            /// Whether sessions are resumed. Default: yes.
            #[must_use]
            pub fn resumption(mut self, resumption: bool) -> Self {
                self.credentials = self.credentials.resumption(resumption);
                self
            }

            /// Where the secrets of every connection go, for debugging. Default: nowhere.
            #[must_use]
            pub fn key_log(mut self, log: Arc<dyn KeyLog>) -> Self {
                self.credentials = self.credentials.key_log(log);
                self
            }

            /// What a transport's end without a close_notify means to readers. Default: [`Truncation::Strict`].
            #[must_use]
            pub fn truncation(mut self, truncation: Truncation) -> Self {
                self.truncation = truncation;
                self
            }

            /// Options for every context.
            #[must_use]
            pub fn options(mut self, options: ContextOptions) -> Self {
                self.options = options;
                self
            }

            /// Acquires the credentials.
            ///
            /// # Errors
            /// As `acquire` of the provider's builder.
            pub fn build(self) -> Result<$built, Error> {
                Ok($built {
                    credentials: self.credentials.acquire()?,
                    options: self.options,
                    truncation: self.truncation,
                })
            }
        }
    };
}
