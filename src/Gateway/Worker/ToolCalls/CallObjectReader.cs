using System.Text;
using System.Text.Json;

namespace Gateway.Worker.ToolCalls;

/// <summary>
/// Reads one call spelled as a JSON object with a name and arguments, character by character: arguments are passed on as they
/// come, in the model's own spelling. The members may have any order, and others are passed over.
/// </summary>
/// <param name="begin">Takes the name, once.</param>
/// <param name="arguments">Takes pieces of the arguments, after the name.</param>
/// <param name="functions">The only names that make a call, and then without other members than grammars of calls write; null for any.</param>
internal sealed class CallObjectReader(Action<string> begin, Action<string> arguments, IReadOnlyCollection<string>? functions = null)
{
    private readonly StringBuilder _value = new();
    private State _state;
    private string _key = "";
    private string? _name;
    private string? _early;
    private bool _hasArguments;
    private bool _passesOn;
    private char _kind;
    private int _depth;
    private bool _inString;
    private bool _escaped;

    private enum State
    {
        Open,
        Key,
        InKey,
        Colon,
        Value,
        InValue,
        Behind,
        Over,
    }

    /// <summary>True when the object is closed.</summary>
    public bool IsOver => _state == State.Over;

    /// <summary>Takes the next character; false when the text is no call.</summary>
    public bool TryTake(char c)
    {
        switch (_state)
        {
            case State.InKey:
                return TakeInKey(c);
            case State.InValue:
                return TakeInValue(c);
            case State.Over:
                return false;
            default:
                return char.IsWhiteSpace(c) || TakeStructure(c);
        }
    }

    private bool TakeStructure(char c)
    {
        switch (_state, c)
        {
            case (State.Open, '{'):
                _state = State.Key;
                return true;
            case (State.Key, '"'):
                _value.Clear();
                (_state, _escaped) = (State.InKey, false);
                return true;
            case (State.Colon, ':'):
                _state = State.Value;
                return true;
            case (State.Value, _):
                return BeginValue(c);
            case (State.Behind, ','):
                _state = State.Key;
                return true;
            case (State.Behind, '}') when _name is not null:
                _state = State.Over;
                if (!_hasArguments)
                {
                    arguments("{}");
                }

                return true;
            default:
                return false;
        }
    }

    private bool TakeInKey(char c)
    {
        if (c == '"' && !_escaped)
        {
            (_key, _state) = (_value.ToString(), State.Colon);
            return functions is null || _key is "type" or "name" or "arguments" or "parameters";
        }

        _escaped = c == '\\' && !_escaped;
        _value.Append(c);
        return true;
    }

    private bool BeginValue(char c)
    {
        _value.Clear();
        _state = State.InValue;
        _kind = c;
        _depth = c is '{' or '[' ? 1 : 0;
        (_inString, _escaped) = (c == '"', false);
        _passesOn = IsArguments && c == '{' && _name is not null;
        Keep(c);
        return c is not ('}' or ']' or ',' or ':');
    }

    private bool TakeInValue(char c)
    {
        if (_kind is not ('{' or '[' or '"') && (c is ',' or '}' || char.IsWhiteSpace(c)))
        {
            return EndValue() && (char.IsWhiteSpace(c) || TakeStructure(c));
        }

        Keep(c);
        if (_inString)
        {
            _inString = c != '"' || _escaped;
            _escaped = c == '\\' && !_escaped;
        }
        else if (c == '"')
        {
            (_inString, _escaped) = (true, false);
        }
        else
        {
            _depth += c is '{' or '[' ? 1 : c is '}' or ']' ? -1 : 0;
        }

        return _kind is not ('{' or '[' or '"') || _inString || _depth > 0 || EndValue();
    }

    private bool IsArguments => _key is "arguments" or "parameters" && !_hasArguments;

    private void Keep(char c)
    {
        if (_passesOn)
        {
            arguments(c.ToString());
        }
        else
        {
            _value.Append(c);
        }
    }

    private bool EndValue()
    {
        _state = State.Behind;
        if (_passesOn)
        {
            (_passesOn, _hasArguments) = (false, true);
        }
        else if (_key == "name" && _name is null)
        {
            if (Text(_value.ToString()) is not { Length: > 0 } name || functions?.Contains(name) == false)
            {
                return false;
            }

            _name = name;
            begin(name);
            if (_early is not null)
            {
                arguments(_early);
            }
        }
        else if (IsArguments)
        {
            // Some models write the arguments as text, some write null for none.
            var text = _kind == '"' ? Text(_value.ToString()) : _value.ToString();
            text = text is null or "null" or "" ? "{}" : text;
            _hasArguments = true;
            if (_name is null)
            {
                _early = text;
            }
            else
            {
                arguments(text);
            }
        }

        return true;
    }

    private static string? Text(string json)
    {
        try
        {
            using var document = JsonDocument.Parse(json);
            return document.RootElement.ValueKind == JsonValueKind.String ? document.RootElement.GetString() : null;
        }
        catch (Exception failure) when (failure is JsonException or InvalidOperationException)
        {
            return null;
        }
    }
}
