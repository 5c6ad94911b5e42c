namespace Gateway.Model.Text;

/// <summary>One of the four normalization forms of Unicode Standard Annex 15.</summary>
public enum NormalizationForm
{
    /// <summary>Canonical decomposition, then canonical composition.</summary>
    Nfc,

    /// <summary>Canonical decomposition.</summary>
    Nfd,

    /// <summary>Compatibility decomposition, then canonical composition.</summary>
    Nfkc,

    /// <summary>Compatibility decomposition.</summary>
    Nfkd,
}
