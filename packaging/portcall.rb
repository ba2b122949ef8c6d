# Homebrew's formula, for a tap of one's own: `brew install OWNER/TAP/portcall`. The release workflow fills in VERSION and
# SHA256 of the source archive. What portcall needs is installed by pip as wheels, each with a hash of packaging/installed.txt.
class Portcall < Formula
  include Language::Python::Virtualenv

  desc "Which application do these packets belong to?"
  homepage "https://pypi.org/project/portcall/"
  url "https://files.pythonhosted.org/packages/source/p/portcall/portcall-VERSION.tar.gz"
  sha256 "SHA256"
  license "GPL-2.0-or-later"

  depends_on "python@3.13"

  def install
    virtualenv_create(libexec, "python3.13")
    python = libexec/"bin/python"
    pip = [python, "-m", "pip", "install", "--no-cache-dir"]
    system python, "-m", "ensurepip"
    system(*pip, "--require-hashes", "--only-binary", ":all:", "-r", buildpath/"packaging/installed.txt")
    system(*pip, "--no-deps", "--require-hashes", "-r", buildpath/"packaging/build-tools.txt")
    system(*pip, "--no-deps", "--no-build-isolation", buildpath)
    bin.install_symlink libexec/"bin/portcall"
    man1.install_symlink Dir[libexec/"share/man/man1/*.1"]
    bash_completion.install_symlink libexec/"share/bash-completion/completions/portcall"
    zsh_completion.install_symlink libexec/"share/zsh/site-functions/_portcall"
    fish_completion.install_symlink libexec/"share/fish/vendor_completions.d/portcall.fish"
  end

  test do
    assert_match "portcall #{version}", shell_output("#{bin}/portcall --version")
    assert_match "https", shell_output("#{bin}/portcall explain 443")
  end
end
